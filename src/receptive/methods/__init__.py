"""The methods: pure functions and classes on tensors, for any network; nothing here reads or writes files."""
