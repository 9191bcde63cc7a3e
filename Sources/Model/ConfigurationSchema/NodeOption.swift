package import FFSModel

/// A host's name as an option's value, or none.
package struct NodeOption: OptionValue {
    /// nil where the option is empty.
    package let given: NodeName?

    package init() { given = nil }

    package static var typeName: String { "node name" }

    package init?(optionText: String) {
        if optionText.isEmpty {
            given = nil
        } else {
            guard let name = try? NodeName(optionText) else { return nil }
            given = name
        }
    }

    package var optionText: String { given?.text ?? "" }

    /// The value of `node.name` in force. `host`: what gethostname(2) says; what cannot stand in a name is left out.
    package func name(ofHost host: String) -> NodeName {
        if let given { return given }
        let label = host.utf8.prefix { $0 != UInt8(ascii: ".") }
        let bytes = label.filter(NodeName.allows).drop { !$0.isASCIILetterOrDigit }.prefix(64)
        return (try? NodeName(bytes: bytes)) ?? NodeName(validated: "localhost")
    }
}
