"""nightslate: logs of what users were shown, and what they did days later, into tomorrow's slates."""

import os

# Great Expectations reads this when it is first imported; nothing here phones home.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
