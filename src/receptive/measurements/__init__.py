"""What the stages measure: from networks and images to tables and arrays; no file is read or written here."""
