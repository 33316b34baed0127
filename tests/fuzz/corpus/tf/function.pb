
C
xPlaceholder*
dtype0*$
shape:ÿÿÿÿÿÿÿÿÿ
.
callStatefulPartitionedCallx*

fR
f

yIdentitycallÑ
Î

f
a
rJ
wConst*
dtype0*1
value(B&"ìQ¸¾¸…>®Ga¿ÍÌÌ¾B
cConv2Da
w:output:0*
strides
*
paddingSAME
reRelu
c:output:0"
rre:activations:0