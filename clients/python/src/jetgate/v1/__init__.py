"""The contract as it is: messages and stubs that protoc made."""
