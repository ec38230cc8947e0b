"""nightslate: logs of what users were shown, and what they did days later, into tomorrow's slates."""
