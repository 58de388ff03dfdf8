"""Energy and area from counted actions and the architecture's components."""
