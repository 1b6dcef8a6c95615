"""The bulk importer for Mixpanel that accounts for every event."""
