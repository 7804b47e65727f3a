"""The parts of FakeBitbucket: values and pure functions, each for one surface of Bitbucket Cloud."""
