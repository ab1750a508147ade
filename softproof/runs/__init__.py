"""What is asked of whom, by what it is judged, and the search for a failure."""
