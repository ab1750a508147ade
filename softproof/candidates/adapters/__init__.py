"""How values become a framework's arrays and back: one module per framework, imported only when it is asked for."""
