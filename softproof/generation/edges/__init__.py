"""The edge cases, by operation; `edge_cases` puts them in the order of their document."""
