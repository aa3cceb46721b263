"""An event on its way in: the handler decides, the group commit gathers, the effect is applied."""
