"""The built-in demo: what `claude-proxy demo` has for an upstream, on loopback.

It answers in the wire format of Anthropic's Messages API, without a key, and says that
it is not Claude. It checks nothing and knows no rules. `answers` makes the answers;
`__main__` serves them.
"""
