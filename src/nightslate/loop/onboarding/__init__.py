"""The onboarding homepage, played."""
