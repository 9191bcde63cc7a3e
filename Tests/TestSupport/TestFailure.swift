/// What stops a test before it can judge: a missing client, a daemon that does not start.
package struct TestFailure: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
