package import ConfigurationSchema
package import FFSModel
import SystemSupport

extension Configuration {
    /// This host's name among the hosts of the installation (`node.name`).
    package var localNode: NodeName { self[Options.Common.nodeName].name(ofHost: Probes.hostName) }
}
