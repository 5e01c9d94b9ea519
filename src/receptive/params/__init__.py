"""The parameters of the study: what there are, what they may be, and how params.yaml is read and written."""
