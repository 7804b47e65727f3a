"""The parts of FakeBitbucket, one for each surface of Bitbucket Cloud."""
