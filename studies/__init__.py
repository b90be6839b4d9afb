"""Study files that come with the package: each says its purpose, cost and expected result in its first lines."""
