"""The command lines of the stages: parse, call one function of recipes, print one line."""
