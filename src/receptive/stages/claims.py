"""The claims of the papers as measured rows (data/claims); one file a claim in receptive.claims."""

from receptive.stages import run


def main() -> None:
    """Write data/claims."""
    from receptive.params.reading import load_params

    params = load_params()

    from tqdm import tqdm

    from receptive import claims
    from receptive.io import artifacts

    study = claims.Study(params)
    known = claims.claims()
    rows = {}
    with tqdm(known, desc="claims", unit="claim") as bar:
        for claim in bar:
            bar.set_postfix_str(claim.TITLE)
            rows[claim.NUMBER] = claim.measure(study)
    verdicts = {number: claims.overall(its) for number, its in rows.items()}
    folder = artifacts.write_claims(claims.table(rows), claims.metrics(rows))
    counts = {word: list(verdicts.values()).count(word) for word in dict.fromkeys(verdicts.values())}
    print(f"{folder}: {len(known)} claims, " + ", ".join(f"{count} {word}" for word, count in counts.items()))


if __name__ == "__main__":
    run(main)
