"""OpenAI chat completions in front of the Anthropic Messages API."""
