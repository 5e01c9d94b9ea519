"""What has a say in results where several processes or a GPU do the work."""
