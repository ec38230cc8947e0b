"""nightslate: logs of what users were shown, and what they did days later, into tomorrow's slates."""

import os
import warnings

# Great Expectations reads this when it is first imported; nothing here phones home.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

# pyspark 4.3 warns of pandas 3 wherever it is imported, by Great Expectations too; nothing here needs both.
warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
