"""The attack runtime: the one door between an attack and a model."""
