"""The claims of the papers as measured rows (data/claims); one file per claim in receptive.claims."""

from receptive.stages import run


def main() -> None:
    """Write data/claims."""
    from collections import Counter

    from tqdm import tqdm

    from receptive.artifacts.claims import write_claims
    from receptive.claims.registry import claims, metrics, table
    from receptive.claims.row import overall
    from receptive.claims.study import Study
    from receptive.claims.verdicts import judged, with_smallest
    from receptive.params.reading import load_params

    study = Study(load_params())
    rows = {}
    with tqdm(claims(), desc="claims", unit="claim") as bar:
        for claim in bar:
            bar.set_postfix_str(claim.TITLE)
            rows[claim.NUMBER] = with_smallest(claim, claim.measure(study))
    rows = judged(rows)
    folder = write_claims(table(rows), metrics(rows))
    verdicts = Counter(overall(of_claim) for of_claim in rows.values())
    print(f"{folder}: {len(rows)} claims, " + ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()))


if __name__ == "__main__":
    run(main)
