"""Why a decision is what it is: the steps to it, the changes that would turn it, and both in words."""
