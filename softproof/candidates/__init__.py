"""Who is asked: loading a target, its process and what protects the judge from it, the protocol between the two."""
