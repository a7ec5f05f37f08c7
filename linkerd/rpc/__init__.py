"""Serving gRPC: tables of methods made from descriptors, and the engines that serve them."""
