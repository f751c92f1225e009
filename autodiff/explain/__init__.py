"""Plans explained to people: as data by source line, as text, pictures and pages."""
