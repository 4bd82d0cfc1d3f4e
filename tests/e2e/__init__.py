"""The whole product as processes: control plane, agent, cameras, and everything that can go wrong between them."""
