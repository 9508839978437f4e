"""One class per noun of the API; Client holds one of each."""
