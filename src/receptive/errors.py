"""The one kind of error that a user can cause and cure."""


class ReceptiveError(Exception):
    """Something that the user can mend; the text is the single line that they are shown.

    The line names the cause and the cure, for instance
    ``unknown network 'resnet35': choose one of resnet18, resnet34, ...``. Commands print it on stderr and end with
    exit code 1. No half-written output stays behind. Every other exception is a defect of this program and keeps
    its traceback.
    """
