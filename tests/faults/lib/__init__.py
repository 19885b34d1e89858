"""What the rows share: a scripted model server, the program under test, its clients, and checks."""
