"""Columns as cells and back: categories, numbers and datetimes (DESIGN.md section 4)."""
