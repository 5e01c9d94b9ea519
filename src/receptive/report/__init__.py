"""The report: tables, captions and the page that holds them."""
