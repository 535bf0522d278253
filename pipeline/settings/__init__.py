"""The parts of the config: its sections, what a value may be, its errors as sentences, YAML with places."""
