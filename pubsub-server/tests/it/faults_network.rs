//! faults_network
