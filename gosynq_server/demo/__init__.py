"""A demonstration on real files: a server, sample handlers, and a crowd of jobs whose ends are known beforehand."""
