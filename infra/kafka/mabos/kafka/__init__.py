"""Where it runs: settings, topics and their administration, and a real broker and registry on this machine."""
