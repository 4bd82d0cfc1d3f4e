"""Requests of people about their data: access, correction and erasure of what a studio holds about a dancer.

Source: Regulation (EU) 2016/679, articles 12 (time limits), 15 (access), 16 (rectification) and 17 (erasure).
"""
