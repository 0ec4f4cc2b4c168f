"""Floor 2: decisions. Events in, effects out. No socket, no clock, no log, no random but the one it is given."""
