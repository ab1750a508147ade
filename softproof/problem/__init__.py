"""The question: operation, inputs, options, dtype and layout, and the answer's form."""
