"""Certificates: what was judged, by what, and what was not, in a file that anybody can check again."""
