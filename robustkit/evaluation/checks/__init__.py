"""Checks on a network and its evaluation: is what looks robust only hiding from the attacks?"""
