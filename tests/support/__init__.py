"""What tests share: fakes and helpers, no tests."""
