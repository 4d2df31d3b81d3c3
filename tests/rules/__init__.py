"""The rules of the design that no linter holds, read off the source and the documents.

How an adapter is told from any other class: it names its port as a base, `class SqlUsers(Users)`.
How a contract is told: a class under `tests/contracts` says `port: ClassVar[type] = Users`.
How a run of it is told: a `Test…` class inherits the contract and says
`adapter: ClassVar[type] = SqlUsers`.
"""
