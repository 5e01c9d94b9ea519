"""A finished report replaces what it replaces, and nothing else."""

from receptive.artifacts.report import move_report


def test_parts_replace_parts_of_the_same_name_and_others_stay(tmp_path):
    new, reports = tmp_path / "reports" / "new", tmp_path / "reports"
    for folder, words in ((reports, "old"), (new, "new")):
        (folder / "figures").mkdir(parents=True)
        (folder / "figures" / f"{words}.png").write_text(words)
        (folder / "index.html").write_text(words)
    (reports / ".gitignore").write_text("kept")
    move_report(new, reports)
    assert (reports / "index.html").read_text() == "new"
    assert [path.name for path in (reports / "figures").iterdir()] == ["new.png"]
    assert (reports / ".gitignore").read_text() == "kept"
    assert not new.exists()
