"""Published tables and tables of a user as problems whose results are looked up."""
