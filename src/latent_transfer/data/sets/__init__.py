"""The named sets: one module for each published set, its entries and its reader together.

Whatever module lies here is found by itself; its list ``ENTRIES`` joins the catalogue.
"""
