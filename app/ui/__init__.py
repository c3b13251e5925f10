"""What pages share: who is at the door, asking the policy, the menu, refusals and errors."""
