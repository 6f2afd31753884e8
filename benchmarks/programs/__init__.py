"""The contenders: programs of their own, each told by one JSON argument what to work on (:mod:`benchmarks.wire`)."""
